# The paper's baseline
_base_ = ['td-hm_hrnet-w32_unbiased-taylor-8xb64-210e_coco-384x288.py']
codec = dict(encoder='BiasedEncoder', decoder='QuarterShiftDecoder')
