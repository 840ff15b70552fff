"""Reading results: tables and, later, pages; reads what runs wrote and knows no other part of cvrun."""
