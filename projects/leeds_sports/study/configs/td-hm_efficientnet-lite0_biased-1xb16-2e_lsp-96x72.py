_base_ = ['_base_/lsp.py']
codec = dict(input_size=(72, 96), encoder=dict(type='BiasedEncoder'))
