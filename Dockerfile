# docker build -t sbp . && docker run --rm -it sbp make reproduce
#
# The reference environment for a reviewer: Python 3.10, the pins of requirements.txt, Lava, and what
# the tests of the book and of the hardware examples need.  `--target tools` stops before the package.
FROM python:3.10-slim-bookworm AS tools
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential chromium git iverilog verilator \
    && rm -rf /var/lib/apt/lists/*

FROM tools
RUN useradd --create-home reviewer
USER reviewer
WORKDIR /sbp
COPY --chown=reviewer . .
RUN make env
# JupyterLab: docker run --rm -it -p 8888:8888 sbp make lab ARGS="--ip 0.0.0.0 --no-browser"
EXPOSE 8888
CMD ["make", "help"]
