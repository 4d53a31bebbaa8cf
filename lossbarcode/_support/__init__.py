"""Ground floor: types, input checks, the machine, pointers and sorting order. It imports no other room."""
