"""Running a command for a limited time."""

import os
import signal
import subprocess


def run(command, limit, environment):
    """A command's output, its errors, and its exit status; None for the status where it took more than `limit` seconds.

    Ended before its time, it leaves nothing behind that it has started. Raises OSError where it cannot be started.
    """
    # In a session of its own, so that all of it can be ended at once.
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        env=environment, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=limit)
            return output, errors, process.returncode
        except subprocess.TimeoutExpired:
            end(process)
            output, errors = process.communicate()
            return output, errors, None
        except BaseException:
            end(process)
            raise


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
