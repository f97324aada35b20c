#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
docs.py FILE...: is that reStructuredText, and is what it refers to there?

The kernel's directives and roles that docutils alone does not know are taken
for what they point at: a file of kernel-doc, another document. Paths of this
repository in literals, like ``module/vm.c``, must exist, too. Prints a line
for each thing that is wrong.
"""

import os
import re
import sys

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = re.compile(r'``((?:module|uapi|userspace|selftests|bench|'
                  r'Documentation)/[\w./-]+?\w/?)``')


class KernelDoc(Directive):
    """.. kernel-doc:: file, with whichever options."""
    required_arguments = 1
    option_spec = {name: directives.unchanged for name in (
        'doc', 'export', 'internal', 'identifiers', 'functions', 'no-identifiers')}

    def run(self):
        path = self.arguments[0]
        if not os.path.exists(os.path.join(ROOT, path)):
            raise self.error(f'no file {path}')
        doc = self.options.get('doc')
        if doc:
            with open(os.path.join(ROOT, path), encoding='utf-8') as source:
                if f'DOC: {doc}' not in source.read():
                    raise self.error(f'{path} has no DOC: {doc}')
        return []


class TocTree(Directive):
    """.. toctree:: of documents beside this one."""
    has_content = True
    option_spec = {name: directives.unchanged for name in (
        'maxdepth', 'caption', 'numbered', 'titlesonly', 'glob')}

    def run(self):
        here = os.path.dirname(self.state.document['source'])
        for entry in self.content:
            path = os.path.join(here, entry.strip() + '.rst')
            if entry.strip() and not os.path.exists(path):
                raise self.error(f'no document {entry}')
        return []


def known(name, rawtext, text, *_, **__):
    """Any role: its text, as a literal."""
    return [nodes.literal(rawtext, text)], []


def main():
    """Look at each; the status tells whether anything was wrong."""
    directives.register_directive('kernel-doc', KernelDoc)
    directives.register_directive('toctree', TocTree)
    for role in ('doc', 'ref', 'c:func', 'c:type', 'c:struct', 'manpage'):
        roles.register_local_role(role, known)
    wrong = 0
    for path in sys.argv[1:]:
        with open(path, encoding='utf-8') as text:
            source = text.read()
        tree = publish_doctree(source, source_path=path, settings_overrides={
            'report_level': 2, 'halt_level': 5, 'warning_stream': sys.stdout,
            'file_insertion_enabled': False})
        wrong += sum(1 for _ in tree.findall(nodes.system_message))
        for each in OURS.findall(source):
            if not os.path.exists(os.path.join(ROOT, each)):
                print(f'{path}: there is no {each}')
                wrong += 1
        for each in re.findall(r':doc:`(?:[^`<]*<)?/?([\w./-]+)>?`', source):
            if not os.path.exists(os.path.join(os.path.dirname(path),
                                               each + '.rst')):
                print(f'{path}: there is no document {each}')
                wrong += 1
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
