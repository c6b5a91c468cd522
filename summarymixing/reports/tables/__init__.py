"""Published result tables beside what recorded runs hold."""
