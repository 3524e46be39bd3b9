"""TLS clients of Python with their defaults: py_tls.py LIBRARY HOST PORT"""
import sys

library, host, port = sys.argv[1:]
url = f"https://{host}:{port}/"
if library == "ssl":
    import socket
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)
elif library == "urllib":
    import ssl
    import urllib.request

    urllib.request.urlopen(url, context=ssl._create_unverified_context(), timeout=5)
elif library == "requests":
    import requests

    requests.get(url, verify=False, timeout=5)
elif library == "httpx":
    import httpx

    httpx.get(url, verify=False, timeout=5)
elif library == "pycurl":
    import io

    import pycurl

    c = pycurl.Curl()
    for option, value in [(c.URL, url), (c.SSL_VERIFYPEER, 0), (c.SSL_VERIFYHOST, 0), (c.WRITEDATA, io.BytesIO())]:
        c.setopt(option, value)
    c.perform()
elif library == "aiohttp":
    import asyncio

    import aiohttp

    async def main():
        async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as response:
            await response.text()

    asyncio.run(main())
