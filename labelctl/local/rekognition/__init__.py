"""The local recogniser: a replacement for Amazon Rekognition's DetectLabels that detects real content.

    server.py          the HTTP server: `python -m labelctl.local.rekognition --port N`
    emulator_client.py the emulator's client: authorises callers and fetches objects
    connections.py     limits open connections
    protocol.py        validates request parameters and builds the response's JSON
    admission.py       the queue of requests: who is next, and who is throttled
    pool.py            the pool of worker processes
    process.py         one worker process, from the server's side
    worker.py          the program of a worker process
    limits.py          limits of CPU time and memory for a picture or a model
    worker_protocol.py the protocol between server and workers
    errors.py          the errors of the real service
    recogniser.py      analyses one picture: findings and image properties
    decode.py          decodes bytes to an upright RGB picture, within the service's limits
    detect.py          faces, QR codes and colours, with OpenCV and Pillow only
    pretrained.py      finds, checks and prepares the networks that are installed as packages
    classifier.py      labels for the whole picture (built with weights.py and efficientnet.py)
    detector.py        objects with boxes
    models.py          a finding: label, confidence, box
    merge.py           combines findings without duplicates
    onnx_model.py      the user's own model, which replaces these two networks
    properties.py      brightness, sharpness, contrast, dominant colours
    colors.py          colour names
    taxonomy.py        maps detectors' names and ImageNet classes to Rekognition's labels (labels.txt)

All findings come from the picture itself. Without a network, only what OpenCV detects reliably is
reported (frontal faces, QR codes that decode, colours). The recogniser must not depend on labelctl's
pipeline, nor the pipeline on it: their only interface is HTTP.
"""
