"""This machine and this process: the backend that Keras starts on, helper processes, what a result is made with.

The ground floor: nothing here knows of experiments.
"""
