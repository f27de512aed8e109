_base_ = ['td-hm_hrnet-w32_unbiased-taylor-8xb64-210e_coco-128x96.py']
codec = dict(decoder='QuarterShiftDecoder')
