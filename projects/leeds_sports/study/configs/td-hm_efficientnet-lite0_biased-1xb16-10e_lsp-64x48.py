_base_ = ['_base_/lsp-64x48-10e.py']
codec = dict(encoder=dict(type='BiasedEncoder'))
