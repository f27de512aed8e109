_base_ = ['_base_/lsp-128x96-10e.py']
