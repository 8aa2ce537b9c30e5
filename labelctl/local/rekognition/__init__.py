"""The local recogniser: a stand-in for Amazon Rekognition's DetectLabels that looks at the picture.

    server.py      the wire: HTTP in, JSON out; `python -m labelctl.local.rekognition --port N`
    emulator_client.py  the emulator beside it: who is this caller, may they do this, an object's bytes
    connections.py how many connections are held open
    protocol.py    a request's parameters, checked; findings → the response's shape
    admission.py   whose turn it is, who waits, and who is refused
    pool.py        the worker processes, and the pictures that wait for them
    process.py     one worker process, as the server sees it
    worker.py      the program that a worker process runs
    limits.py      the CPU time and memory that a picture or a model may take
    exchange.py    what server and workers say to each other
    errors.py      errors in the words of the real service
    recogniser.py  one picture at a time → findings and image properties
    decode.py      bytes → an upright RGB picture, within the service's limits
    detect.py      faces, QR codes and colours, with OpenCV and Pillow alone
    pretrained.py  the networks that come as packages: found, checked, made ready
    classifier.py  what a picture shows as a whole (weights.py, efficientnet.py: how it is made)
    detector.py    things with boxes
    models.py      one thing that was found: what it means, how sure, and where
    merge.py       what several found → findings in which nothing is counted twice
    onnx_model.py  a model of the user's own, instead of those two
    properties.py  brightness, sharpness, contrast, dominant colours
    colors.py      colours by name
    taxonomy.py    names and ImageNet's classes → Rekognition's labels, read from labels.txt

Nothing here is a constant in disguise: without any network it finds only what OpenCV finds honestly
(frontal faces, QR codes that decode, colours), and says nothing of the rest. It knows nothing of
labelctl's pipeline, and the pipeline knows nothing of it: they meet on the wire.
"""
