# The paper's DARK
_base_ = [
    '../body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_hrnet-w32_dark-8xb64-210e_coco-384x288.py'
]
