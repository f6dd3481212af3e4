"""How the counts of callgrind are read, and laid to the functions that cause them."""

import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

PATH = pathlib.Path(__file__).parent / "instructions/run"
LOADER = importlib.machinery.SourceFileLoader("instructions_run", str(PATH))
instructions = importlib.util.module_from_spec(
    importlib.util.spec_from_loader(LOADER.name, LOADER))
LOADER.exec_module(instructions)

# main calls baton::ask and baton::tell; both call std::copy, ask three times as dear; that calls
# memcpy of the C library.
DUMP = """\
events: Ir
ob=/usr/lib/libstdc++.so.6
fn=std::copy(char*)
0 40
cob=/lib/libc.so.6
cfn=memcpy
calls=4 0
0 1000
ob=/lib/libc.so.6
fn=memcpy
0 1000
ob=/build/program
fn=baton::ask(int)
0 10
cob=/usr/lib/libstdc++.so.6
cfn=std::copy(char*)
calls=3 0
0 780
fn=baton::tell<int>(std::vector<int> const&) const
0 20
cob=/usr/lib/libstdc++.so.6
cfn=std::copy(char*)
calls=1 0
0 260
fn=main
0 5
cfn=baton::ask(int)
calls=1 0
0 790
"""


class InstructionsTest(unittest.TestCase):
    def test_lays_a_library_to_its_callers_and_leaves_the_c_library_out(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "out.1"
            path.write_text(DUMP)
            profile = instructions.Profile(path)
        self.assertEqual(profile.instructions, 75)
        self.assertEqual(profile.functions, {
            "baton::ask": 40, "baton::tell": 30, instructions.ELSEWHERE: 5})

    def test_a_rise_of_more_than_a_tenth_fails(self):
        table = {name: (1000, 10, {"baton::ask": 500}) for name in instructions.OPERATIONS}
        self.assertTrue(instructions.compare(dict(table), table))
        for now in ((1101, 10), (1000, 11.1)):
            risen = dict(table)
            risen["answer"] = (*now, {"baton::ask": 601})
            self.assertFalse(instructions.compare(risen, table))


if __name__ == "__main__":
    unittest.main()
