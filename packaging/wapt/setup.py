# -*- coding: utf-8 -*-
"""Le paquet WAPT de Vigie : posez à côté de ce fichier le MSI que fabrique « make dist »."""
import subprocess

from setuphelpers import *

DOSSIER = makepath(programfiles64, "Vigie")


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
        print("Vigie n'est pas installée.")
        return "ERROR"
    reglages = makepath(os.environ["ProgramData"], "Vigie", "vigie.toml")
    if isfile(reglages):
        try:
            run('"%s" config check "%s"' % (makepath(DOSSIER, "vigie.exe"), reglages))
        except subprocess.CalledProcessError as faute:
            print("Les réglages de la machine sont fautifs : %s" % faute.output)
            return "WARNING"
    print("OK")
    return "OK"
