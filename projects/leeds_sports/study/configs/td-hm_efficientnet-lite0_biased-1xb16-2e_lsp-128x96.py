_base_ = ['_base_/lsp.py']
codec = dict(encoder=dict(type='BiasedEncoder'))
