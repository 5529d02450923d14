"""The recipe of seem-tiny: where its pictures, phrases, losses and first weights come from."""
