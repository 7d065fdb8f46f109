"""Reading Keras models: files of Keras 2 and 3, and models in memory."""
