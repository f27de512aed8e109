_base_ = ['_base_/figures.py']
codec = dict(encoder=dict(type='BiasedEncoder', quantise='floor'))
