_base_ = ['_base_/figures.py']
