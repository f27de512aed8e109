# Writes what is to be submitted for COCO's test-dev, whose labels are secret:
# results.keypoints.json, which the server wants to be named
# person_keypoints_test-dev2017_NAME_results.json, and zipped
_base_ = ['td-hm_hrnet-w48_dark-8xb32-210e_coco-384x288.py']
test_dataloader = dict(
    dataset=dict(
        ann_file='annotations/image_info_test-dev2017.json',
        bbox_file='data/coco/person_detection_results/'
        'COCO_test-dev2017_detections_AP_H_609_person.json',
        data_prefix=dict(img='test2017/'),
    )
)
test_evaluator = dict(
    ann_file='data/coco/annotations/image_info_test-dev2017.json',
    format_only=True,
    outfile_prefix='work_dirs/td-hm_hrnet-w48_dark_test-dev/results',
)
