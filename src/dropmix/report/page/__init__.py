"""The HTML page, which opens offline.

Read in this order: `html` (the page), `class_data` (the class table), `short_tables` (those above it), `lost_images`
(thumbnails), `svg` (figures inside the page).
"""
