_base_ = ['_base_/lsp-64x48-10e.py']
