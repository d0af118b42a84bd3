"""Training: one loop for every method that brings a network and a recipe (`training/recipe.toml` in its folder).

    recipe         a method's network and defaults
    config         the settings, typed and checked
    plan           what the user asked for, made definite
    data           faces decoded once; the samples of a step; threads that keep ahead
    losses, discriminator, objective    what is minimised
    schedule, ema  the learning rate; the average of the weights
    watch          losses that are not finite or run away
    validation     how good the weights are
    parallel       several devices
    checkpoints    what lies on disk
    log, history   the log
    stopping       clock and signals
    trainer        the loop
    launch         one process or several
    export         a checkpoint as the file that ships

Needs torch, numpy, Pillow, safetensors and pydantic alone: a GPU machine can run a checkout with
`python -m facesr_bench train`, without installing anything else.
"""
