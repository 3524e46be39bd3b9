#!/usr/bin/python3
"""A camera's stream: GStreamer's RTSP server. rtspd.py PORT basic|digest|open: how a viewer has to log in."""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

USER, PASSWORD = "viewer", "Sample-Stream-7"
PORT, LOGIN = sys.argv[1:]

Gst.init(None)
server = GstRtspServer.RTSPServer(service=PORT)
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch("( audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay0 )")
if LOGIN != "open":
    auth = GstRtspServer.RTSPAuth.new()
    auth.set_realm("Sample-Cam-0C9131")
    viewer = GstRtspServer.RTSPToken()
    viewer.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    if LOGIN == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(USER, PASSWORD, viewer)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, PASSWORD), viewer)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/stream", factory)
server.attach(None)
GLib.MainLoop().run()
