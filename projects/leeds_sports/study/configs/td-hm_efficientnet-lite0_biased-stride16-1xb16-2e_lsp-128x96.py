_base_ = ['_base_/lsp-stride16.py']
codec = dict(encoder=dict(type='BiasedEncoder'))
