_base_ = ['td-hm_res50_dark-8xb64-140e_coco-256x192.py']
codec = dict(input_size=(96, 128), heatmap_size=(24, 32), sigma=1)
