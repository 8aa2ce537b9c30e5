"""`verify`: whether bucket, tables and index agree, and putting right what does not.

`rules` judges and asks nobody; everything else reads what it judges, or repairs it.
"""
