"""The HTML page, which opens offline.

Read in this order: `html` (the page), `class_data` (the class table), `svg` (figures inside the page).
"""
