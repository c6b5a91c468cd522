"""Colours and markers of all plots."""

#: Okabe and Ito's colours, which colour-blind readers can distinguish, without yellow, which is faint on white.
OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = "osD^vPX<>*"
