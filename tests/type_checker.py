"""How annotations are checked while tests run: by beartype, where an integer is a number, too."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
