"""A job's script whose descendants try to get away when the job ends; a test runs it too."""

RUNAWAYS = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(3600)"]
# One in a session of its own, and a daemon: double-forked, in another folder, with nothing in its
# environment by which it could be found.
session = subprocess.Popen(sleep, start_new_session=True)
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.write(write, str(os.getpid()).encode())
    os.closerange(0, 3)
    os.execve(sleep[0], sleep, {})
daemon = os.read(read, 20).decode()
print("pids", os.getppid(), os.getpid(), session.pid, daemon, flush=True)
for number in range(100_000):
    print("line", number, flush=True)
    time.sleep(0.02)
"""
"""Prints ``pids`` with those of its supervisor, its own, and the two; then numbered lines."""
