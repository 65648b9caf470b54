"""Maps of tiles, their lanes and what is painted on them."""
