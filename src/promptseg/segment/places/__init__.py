"""Places say where: prompts on a picture to masks, and corrections of them."""
