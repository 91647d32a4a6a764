#!/bin/sh
# The command line in the account of the service, for administrators: /usr/local/bin/ingestor.
set -- /opt/ingestor/bin/ingestor --config /etc/ingestor/ingestor.toml --state-dir /var/lib/ingestor "$@"
if [ "$(id -un)" = ingestor ]; then
    exec "$@"
fi
exec runuser -u ingestor -- "$@"
