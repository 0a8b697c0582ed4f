// The main function of every test executable; the build names the module after its folder.
#define BOOST_TEST_MODULE UNROLL_TEST_MODULE
#include <boost/test/unit_test.hpp>
