"""Examples for the help of each command: command lines, each with what it does."""

from __future__ import annotations

EXAMPLES: dict[str, dict[str, str]] = {
    "demo": {
        "labelctl demo": "Sample photos",
        "labelctl demo holiday/ cat.jpg": "Your own photos",
    },
    "deploy": {
        "labelctl deploy --dry-run": "See what would change",
        "labelctl deploy --min-confidence 80 --max-labels 20": "Store fewer labels",
        "labelctl deploy --alarm-email me@example.com": "Get an email when photos get stuck",
    },
    "upload": {
        "labelctl upload photo.jpg --wait": "Upload a photo and print its labels",
        "labelctl upload photos/ --prefix holiday/": "Upload a folder under another name",
        "labelctl upload photos/ --exclude raw --dry-run": "See what a folder would send",
    },
    "images": {
        "labelctl images --prefix holiday/": "Photos of one folder",
        "labelctl images --status failed": "Photos that could not be labelled",
        "labelctl images --limit 10000 | cut -f2 > keys.txt": "All keys in a file",
    },
    "rm": {
        "labelctl rm cat.jpg holiday/1.jpg": "Remove two photos",
        "labelctl rm --prefix holiday/ --yes": "Remove a folder without being asked",
    },
    "labels": {
        "labelctl labels cat.jpg --min-confidence 90": "Only labels that are almost certain",
        "labelctl labels cat.jpg --wait": "Wait until the photo is labelled",
        "labelctl labels cat.jpg -o json": "All details, for programs",
    },
    "search": {
        "labelctl search dog beach": "Photos with a dog and a beach",
        "labelctl search cat dog --any --not person": "Photos with a cat or a dog, without people",
        "labelctl search --category 'Animals and Pets' --sort newest": "Animals, newest first",
    },
    "stats": {
        "labelctl stats": "All photos",
        "labelctl stats --prefix holiday/": "Photos of one folder",
    },
    "show": {
        "labelctl show cat.jpg --terminal": "Show the boxes in this terminal",
        "labelctl show cat.jpg -o boxes.png --open": "Save the picture and open it",
        "labelctl show cat.jpg --min-confidence 90": "Draw only boxes that are almost certain",
    },
    "gallery": {
        "labelctl gallery --open": "Build the page and open it",
        "labelctl gallery --search dog -o dogs": "A page of dogs in a folder of its own",
        "labelctl gallery --embed -o photos.html": "A single file, to send to somebody",
    },
    "export": {
        "labelctl export -o labels.csv": "A table for other programs",
        "labelctl export -o labels.csv --excel": "A table for a spreadsheet program",
        "labelctl export --format jsonl | head": "JSON Lines, to stdout",
    },
    "status": {
        "labelctl status": "The stack that is in use",
        "labelctl status --stack holiday --region eu-west-1": "Another stack",
    },
    "tail": {
        "labelctl tail": "Follow the log, starting ten minutes ago",
        "labelctl tail --since 2h --no-follow": "The last two hours",
    },
    "failures": {
        "labelctl failures": "All failures",
        "labelctl failures --reason 'too large'": "Failures with a reason",
        "labelctl failures --discard": "Delete messages that cannot be read",
    },
    "retry": {
        "labelctl retry cat.jpg --wait": "Retry a photo and print its labels",
        "labelctl retry --all": "Retry everything that failed",
        "labelctl retry --reason AccessDenied": "Retry failures with a reason",
    },
    "verify": {
        "labelctl verify": "Check, and change nothing",
        "labelctl verify --repair": "Repair what is missing or left behind",
        "labelctl verify --index --prefix holiday/": "Check a folder and its search index",
    },
    "local": {
        "labelctl local start": "Start the local cloud",
        "labelctl local reset --yes": "Delete everything in it",
    },
    "local start": {
        "labelctl local start": "With the default models",
        "labelctl local start --model yolo11n.onnx": "With your own model",
    },
    "local stop": {"labelctl local stop": "Stop it until a command needs it"},
    "local status": {"labelctl local status -o json": "Addresses and process ids, for programs"},
    "local reset": {"labelctl local reset --yes": "Delete everything without being asked"},
    "local env": {
        'eval "$(labelctl local env)"': "Use the local cloud with other AWS tools in this shell",
        "labelctl local env > local.env": "Save the variables in a file",
    },
    "package": {"labelctl package --output-dir build": "Write both files to a folder"},
    "completion": {
        'eval "$(labelctl completion bash)"': "For bash, in ~/.bashrc",
        'eval "$(labelctl completion zsh)"': "For zsh, in ~/.zshrc after compinit",
        "labelctl completion fish > ~/.config/fish/completions/labelctl.fish": "For fish, once",
    },
    "destroy": {
        "labelctl destroy": "Delete the stack after you have typed its name",
        "labelctl destroy --stack holiday --yes": "Delete another stack without being asked",
    },
}
"""By the command's name, without the program's: {command line: meaning}."""
