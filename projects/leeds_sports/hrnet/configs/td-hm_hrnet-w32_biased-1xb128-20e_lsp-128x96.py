_base_ = ['td-hm_hrnet-w32_dark-1xb128-20e_lsp-128x96.py']
codec = dict(encoder=dict(type='BiasedEncoder'))
