"""This machine and this process: the backend that Keras starts on, helping processes, what a result is made with.

The ground floor: nothing here knows of experiments.
"""
