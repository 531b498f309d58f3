"""Homework marked: submitted notebooks run, and their answers judged where they cannot cheat.

Three kinds of processes take part, and none trusts the one below it.

=========  ==================================================================================
mark       reads the submissions, keeps the limits of time, writes the tables (``mark.py``)
kernel     runs a submitted notebook and hands its answers over by value (``kernel.py``)
judge      one for each answer: holds the truth, asks the answer from outside (``judge.py``)
answer     one for each judge: holds the answer and nothing else (``answer.py``)
=========  ==================================================================================

Between judge and answer only plain data passes: numbers, text, arrays, containers of them, and
references to functions that stay where they are (``wire.py``). So there is no frame of the judge
for an answer to read, and no module of the judge for it to alter.
"""
