_base_ = ['_base_/lsp-stride16.py']
