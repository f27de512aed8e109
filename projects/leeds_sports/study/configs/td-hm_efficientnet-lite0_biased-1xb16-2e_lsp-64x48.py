_base_ = ['_base_/lsp.py']
codec = dict(input_size=(48, 64), encoder=dict(type='BiasedEncoder'))
