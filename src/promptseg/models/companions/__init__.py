"""Small networks beside a model: they choose among its masks, judge corrections, and draw borders anew."""
