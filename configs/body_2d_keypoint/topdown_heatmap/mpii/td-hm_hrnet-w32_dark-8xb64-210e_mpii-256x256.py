_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/mpii/'
    'td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py'
]
custom_imports = dict(imports=['dark_codec'], allow_failed_imports=False)
codec = dict(type='DARKCodec')
