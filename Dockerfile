# One image for every part: `pulse run` (default), `pulse web`, `pulse worker`, `pulse beat`.
# Pin the base by digest where you build: docker buildx imagetools inspect python:3.11-slim-bookworm
FROM python:3.11-slim-bookworm AS packages
COPY requirements-postgres.txt /tmp/
RUN python -m venv /opt/pulse/.venv \
 && /opt/pulse/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements-postgres.txt

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Pulse" \
      org.opencontainers.image.description="One screen that tells the truth about every Proxmox VE and Proxmox Backup Server host" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10765 --home-dir /var/lib/pulse --shell /usr/sbin/nologin pulse \
 && install -d -o pulse -g pulse -m 0700 /var/lib/pulse
COPY --from=packages /opt/pulse/.venv /opt/pulse/.venv
WORKDIR /opt/pulse
COPY manage.py ./
COPY accounts accounts
COPY nodes nodes
COPY monitoring monitoring
COPY notifications notifications
COPY registration registration
COPY updates updates
COPY pulse pulse
COPY templates templates
COPY deploy/pulse /usr/local/bin/pulse
# Compiled here: the file system is read-only later, and a start without it takes three times as long.
RUN .venv/bin/python -m compileall -q accounts nodes monitoring notifications registration updates pulse \
 && chmod 0755 /usr/local/bin/pulse
ENV PATH=/opt/pulse/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PULSE_DATA_DIR=/var/lib/pulse \
    PULSE_BIND=0.0.0.0 \
    PORT=7655
USER 10765:10765
VOLUME /var/lib/pulse
EXPOSE 7655
STOPSIGNAL SIGTERM
# No shell: the interpreter asks, and its exit code is the answer.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-m", "pulse.runtime.healthcheck"]
ENTRYPOINT ["pulse"]
CMD ["run"]
