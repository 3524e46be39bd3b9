#!/usr/bin/python3
"""newsd.py PORT: one NNTP session (RFC 3977, RFC 4643) after the other, with one group and one account."""
import socketserver
import sys

ARTICLE = ["From: facility@office.example", "Newsgroups: office.test", "Subject: Doors", "Message-ID: <1@office.example>",
           "", "The doors are closed at eight.", "."]


class Session(socketserver.StreamRequestHandler):
    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def handle(self):
        user, known = "", False
        self.say("200 news.office.example NNTP service ready (posting allowed)")
        for line in self.rfile:
            words = line.decode().split()
            verb = " ".join(words[:2]).upper() if words and words[0].upper() in ("AUTHINFO", "MODE") else words[0].upper()
            if verb == "CAPABILITIES":
                self.say("101 Capability list:", "VERSION 2", "IMPLEMENTATION Sample News 1.0", "READER", "POST",
                         "AUTHINFO USER", ".")
            elif verb == "MODE READER":
                self.say("200 Posting allowed")
            elif verb == "AUTHINFO USER":
                user = words[2]
                self.say("381 Enter password")
            elif verb == "AUTHINFO PASS":
                known = (user, words[2]) == ("facility", "Sample-News-1")
                self.say("281 Authentication accepted" if known else "481 Authentication failed")
            elif verb == "QUIT":
                self.say("205 Connection closing")
                return
            elif not known:
                self.say("480 Authentication required")
            elif verb == "GROUP":
                self.say("211 1 1 1 office.test")
            elif verb == "ARTICLE":
                self.say("220 1 <1@office.example>", *ARTICLE)
            elif verb == "POST":
                self.say("340 Send article")
                while self.rfile.readline().rstrip() != b".":
                    pass
                self.say("240 Article received")
            else:
                self.say("500 Unknown command")


socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(("0.0.0.0", int(sys.argv[1])), Session).serve_forever()
