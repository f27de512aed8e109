_base_ = ['td-hm_res152_dark-8xb64-140e_coco-256x192.py']
codec = dict(input_size=(288, 384), heatmap_size=(72, 96), sigma=3)
