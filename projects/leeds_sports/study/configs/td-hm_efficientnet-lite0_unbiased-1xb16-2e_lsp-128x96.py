_base_ = ['_base_/lsp.py']
