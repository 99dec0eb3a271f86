# -*- coding: utf-8 -*-
"""Le paquet WAPT de Vigie : posez à côté de ce fichier le MSI que fabrique « make dist »."""
import glob
import os
import subprocess

from setuphelpers import *

DOSSIER = makepath(programfiles64, "Vigie")
WEBVIEW2 = r"SOFTWARE\WOW6432Node\Microsoft\EdgeUpdate\Clients\{F3017226-FE2A-4295-8BDF-00C3A9A7E4C5}"


def le_msi():
    return glob.glob("vigie-*-x64.msi")[0]


def install():
    # Le MSI ferme Vigie dans toutes les sessions, la remplace, et la relance où elle était ouverte. Un installeur hors
    # ligne de WebView2 Runtime, posé à côté, sert là où WebView2 manque.
    proprietes = {}
    for webview2 in glob.glob("MicrosoftEdgeWebView2RuntimeInstallerX64*.exe"):
        proprietes["WEBVIEW2_SETUP"] = '"%s"' % makepath(basedir, webview2)
    install_msi_if_needed(le_msi(), properties=proprietes, timeout=1800)


def audit():
    # Ce que WAPT remonte à son serveur pour chaque poste.
    if not isfile(makepath(DOSSIER, "vigie.exe")):
        print("Vigie n’est pas installée.")
        return "ERROR"
    print(run('"%s" --version' % makepath(DOSSIER, "vigie.exe")).strip())
    print("WebView2 : %s" % (registry_readstring(HKEY_LOCAL_MACHINE, WEBVIEW2, "pv", "") or "absent"))
    reglages = makepath(os.environ["ProgramData"], "Vigie", "vigie.toml")
    if isfile(reglages):
        try:
            run('"%s" config check "%s"' % (makepath(DOSSIER, "vigie.exe"), reglages))
        except subprocess.CalledProcessError as faute:
            print("Les réglages de la machine sont fautifs : %s" % faute.output)
            return "WARNING"
    print("OK")
    return "OK"
