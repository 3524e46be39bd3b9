#!/bin/bash
# debug.sh ADDRESS:PORT...: asks each of these Android devices who it is. The server that `adb` starts stays
# in the network it was started in, so it ends with this.
for device; do
    timeout 10 adb connect "$device"
    timeout 10 adb -s "$device" shell id
done
timeout 5 adb kill-server
